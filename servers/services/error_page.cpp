#include "servers/services/error_page.hpp"

#include <algorithm>
#include <stdexcept>

#include "core/http/http_status.hpp"
#include "core/parse_number.hpp"

namespace bullpen::http {
namespace {

std::string all_codes() {
    std::string all;
    for (const Status status : error_statuses)
        all.append(all.empty() ? "" : ", ").append(status_text(status).substr(0, 3));
    return all;
}

bool occurs(std::uint16_t code) noexcept {
    return std::find(error_statuses.begin(), error_statuses.end(), Status{code}) != error_statuses.end();
}

}  // namespace

ErrorPage ErrorPage::parse(std::string_view text) {
    const std::size_t equals = std::min(text.find('='), text.size());
    const auto code = parse_number<std::uint16_t>(text.substr(0, equals));
    ErrorPage page{.code = code.value_or(0),
                   .file = below_root(text.substr(std::min(equals + 1, text.size())))};
    if (occurs(page.code) && equals == 3 && !page.file.empty()) return page;
    throw std::invalid_argument{"'" + std::string{text} + "' is no CODE=FILE; expected one of the statuses " +
                                all_codes() + " and a file below the root, as in 404=404.html"};
}

std::string below_root(std::string_view path) {
    return std::string{path.substr(std::min(path.find_first_not_of('/'), path.size()))};
}

}  // namespace bullpen::http
