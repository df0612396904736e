/// Which symlinks below a root are followed.
#pragma once

namespace bullpen::http {

/// The root itself may be a symlink always.
enum class Links {
    below,  ///< Those that lead to what lies below the root.
    none,
};

}  // namespace bullpen::http
