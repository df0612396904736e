#include "servers/cli/report.hpp"
namespace bullpen { std::string render_report(const Comparison& c) { return c.began; } }
