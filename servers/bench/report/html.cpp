#include "servers/bench/report/html.hpp"

#include <cassert>
#include <charconv>
#include <system_error>

namespace bullpen {

Html& Html::open(std::string_view tag, Attributes attributes) {
    begin(tag, attributes);
    html_ += '>';
    open_.emplace_back(tag);
    return *this;
}

Html& Html::close() {
    assert(!open_.empty());
    html_ += "</" + open_.back() + ">";
    open_.pop_back();
    return *this;
}

Html& Html::text(std::string_view text) {
    html_ += escaped(text);
    return *this;
}

Html& Html::element(std::string_view tag, Attributes attributes, std::string_view text) {
    return open(tag, attributes).text(text).close();
}

Html& Html::empty(std::string_view tag, Attributes attributes) {
    begin(tag, attributes);
    html_ += "/>";
    return *this;
}

Html& Html::raw(std::string_view html) {
    html_ += html;
    return *this;
}

std::string Html::take() {
    assert(open_.empty());
    return std::move(html_);
}

void Html::begin(std::string_view tag, Attributes attributes) {
    html_ += '<';
    html_ += tag;
    for (const auto& [name, value] : attributes) {
        html_ += ' ';
        html_ += name;
        html_ += "=\"" + escaped(value) + "\"";
    }
}

std::string escaped(std::string_view text) {
    std::string safe;
    for (const char c : text) {
        switch (c) {
            case '&': safe += "&amp;"; break;
            case '<': safe += "&lt;"; break;
            case '>': safe += "&gt;"; break;
            case '"': safe += "&quot;"; break;
            case '\'': safe += "&#39;"; break;
            default: safe += c;
        }
    }
    return safe;
}

std::string coordinate(double value) {
    char text[64];
    const auto [end, error] = std::to_chars(text, text + sizeof text, value, std::chars_format::fixed, 2);
    if (error != std::errc{}) return "0";
    std::string number{text, end};
    number.erase(number.find_last_not_of('0') + 1);
    if (number.back() == '.') number.pop_back();
    return number == "-0" ? "0" : number;
}

std::string percent_coordinate(double share) {
    return coordinate(share * 100) + "%";
}

}  // namespace bullpen
