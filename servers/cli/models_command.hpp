/// `bullpen models`: which designs there are, and which to choose.
#pragma once

#include <functional>
#include <string>

namespace CLI {
class App;
}

namespace bullpen {

/// The list, for a terminal of 80 columns.
std::string describe_models();

/// Declares the command; once it is given, `chosen` runs it.
void declare_models(CLI::App& program, std::function<int()>& chosen);

}  // namespace bullpen
