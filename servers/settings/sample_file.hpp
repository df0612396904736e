/// A configuration file with every key, its default and what it means.
#pragma once

#include <string>

namespace bullpen {

/// The text of deploy/bullpen.toml, made from the tables of settings.
std::string sample_file();

}  // namespace bullpen
