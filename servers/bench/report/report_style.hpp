/// How the page of a report looks. CMake makes the definition from report.css.
#pragma once

namespace bullpen {

extern const char* const report_style;  ///< CSS.

}  // namespace bullpen
