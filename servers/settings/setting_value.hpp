/// How the value of a setting is read from text and written, by its member's type.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "servers/settings/setting.hpp"

namespace bullpen {

/// Stores what the user gave: one text, or several where the setting is a list. Throws std::invalid_argument:
/// a sentence that says what is wrong and what is allowed, without the setting's name.
template <typename Owner>
void set_value(Owner& owner, const Setting<Owner>& setting, const std::vector<std::string>& texts);

/// As set_value("--workers 12") would read it; a list is separated by spaces.
template <typename Owner>
std::string text_of(const Setting<Owner>& setting, Owner owner);

/// Throws std::invalid_argument, as set_value(), if a number is out of its range. A duration that a user of
/// the library gives may be finer than the program's unit.
template <typename Owner>
void check_range(const Setting<Owner>& setting, Owner owner);

}  // namespace bullpen
