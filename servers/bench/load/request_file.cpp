#include "servers/bench/load/request_file.hpp"

#include <algorithm>
#include <sstream>
#include <stdexcept>

#include "core/parse_number.hpp"
#include "core/utf8.hpp"
#include "servers/bench/load/url.hpp"

namespace bullpen {
namespace {

constexpr unsigned weight_most = 10'000;
constexpr unsigned weights_most = 1'000'000;

constexpr std::string_view form = "expected [METHOD] PATH [weight=N] [class=NAME]";

unsigned parse_weight(std::string_view text, const std::string& place) {
    const auto weight = parse_number<unsigned>(text);
    if (!weight || *weight == 0 || *weight > weight_most)
        throw std::invalid_argument{place + "weight: expected a number from 1 to " +
                                    std::to_string(weight_most) + ", got '" + std::string{text} + "'"};
    return *weight;
}

RequestLine parse_line(const std::string& line, const std::string& place) {
    constexpr std::string_view weight_key = "weight=";
    constexpr std::string_view class_key = "class=";
    RequestLine request;
    std::istringstream words{line};
    for (std::string word; words >> word;) {
        const std::string_view view = word;
        const bool upper = std::all_of(word.begin(), word.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
        if (request.path.empty()) {
            if (upper && request.method.empty()) {
                request.method = word;
            } else {
                check_path(place + "PATH", word);
                request.path = word;
            }
        } else if (view.starts_with(weight_key)) {
            request.weight = parse_weight(view.substr(weight_key.size()), place);
        } else if (view.starts_with(class_key) && view.size() > class_key.size()) {
            request.name = view.substr(class_key.size());
            if (!is_utf8(request.name))
                throw std::invalid_argument{place + "class: expected UTF-8, got '" + to_utf8(request.name) +
                                            "'"};
        } else {
            throw std::invalid_argument{place + "unexpected '" + word + "'; " + std::string{form}};
        }
    }
    if (request.path.empty()) throw std::invalid_argument{place + "no path; " + std::string{form}};
    return request;
}

}  // namespace

std::vector<RequestLine> parse_request_lines(std::string_view text, const std::string& file) {
    std::vector<RequestLine> requests;
    std::istringstream lines{std::string{text}};
    unsigned weights = 0;
    int number = 0;
    for (std::string line; std::getline(lines, line);) {
        const std::string place = file + ":" + std::to_string(++number) + ": ";
        const auto first = line.find_first_not_of(" \t\r");
        if (first == std::string::npos || line[first] == '#') continue;
        requests.push_back(parse_line(line, place));
        weights += requests.back().weight;
        if (weights > weights_most)
            throw std::invalid_argument{place + "the weights' sum must not be above " +
                                        std::to_string(weights_most)};
    }
    if (requests.empty()) throw std::invalid_argument{file + ": it has no request; " + std::string{form}};
    return requests;
}

}  // namespace bullpen
