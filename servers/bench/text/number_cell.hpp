/// Numbers in a table, written shorter where the table would be too wide.
#pragma once

#include <cstdint>
#include <string>

#include "servers/bench/text/spread.hpp"
#include "servers/bench/text/text_table.hpp"

namespace bullpen {

/// `text` is the value where there is room.
TextTable::Cell number_cell(double value, std::string text);
TextTable::Cell count_cell(std::uint64_t count);
TextTable::Cell range_cell(const Spread& spread, const std::string& between, std::string text);

}  // namespace bullpen
