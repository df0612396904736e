/// How the page of a report looks.
#pragma once

namespace bullpen {

extern const char* const report_style;  ///< CSS.

}  // namespace bullpen
