#include "servers/services/error_page.hpp"

#include <algorithm>
#include <stdexcept>

#include "core/parse_number.hpp"

namespace bullpen::http {

ErrorPage ErrorPage::parse(std::string_view text) {
    const std::size_t equals = std::min(text.find('='), text.size());
    const auto code = parse_number<std::uint16_t>(text.substr(0, equals));
    ErrorPage page{.code = code.value_or(0),
                   .file = below_root(text.substr(std::min(equals + 1, text.size())))};
    if (page.code >= 400 && page.code <= 599 && equals == 3 && !page.file.empty()) return page;
    throw std::invalid_argument{
        "'" + std::string{text} +
        "' is no CODE=FILE; expected a status from 400 to 599 and a file below the root, "
        "as in 404=404.html"};
}

std::string below_root(std::string_view path) {
    return std::string{path.substr(std::min(path.find_first_not_of('/'), path.size()))};
}

}  // namespace bullpen::http
