/// What is compared: the models, and their variants with a name of their own.
#pragma once

#include <string>
#include <vector>

#include <bullpen/accept_lock_kind.hpp>
#include "pool/model.hpp"

namespace bullpen {

/// A model, or one of its variants with a name of its own.
struct Design {
    std::string name;
    std::string summary;      ///< A clause.
    std::string choose_when;  ///< A clause.
    Model model;
    bool threaded = false;  ///< Its processes have several workers each.
    AcceptLockKind accept_lock = AcceptLockKind::mutex;
    bool unasked = true;  ///< Compared also when nobody names it.
};

/// In the order in which they are shown.
const std::vector<Design>& designs();

}  // namespace bullpen
