/// A row of a plot: a name, room to draw in, and a number.
#pragma once

#include <string>

#include "servers/bench/report/html.hpp"

namespace bullpen {

struct RowText {
    std::string name;
    std::string rank = {};  ///< Empty: none.
    std::string value;
    std::string remark;
};

/// `kind` is a class of the style sheet; `how` follows the title. To be closed.
void open_figure(Html& html, const std::string& kind, const std::string& title, const std::string& how);

/// Between the two: SVG elements, in percent of the room's width and height.
void open_row(Html& html, const RowText& text);
void close_row(Html& html, const RowText& text);

}  // namespace bullpen
