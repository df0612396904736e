/// For tests: the sentence with which something is refused.
#pragma once

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>

namespace bullpen {

/// What `action` throws as an `Error` says, which is one line; empty if it throws nothing.
template <typename Error = std::invalid_argument, typename Action>
std::string complaint_of(const Action& action) {
    try {
        action();
    } catch (const Error& error) {
        const std::string sentence = error.what();
        CHECK(sentence.find('\n') == std::string::npos);
        return sentence;
    }
    return "";
}

}  // namespace bullpen
