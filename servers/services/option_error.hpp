/// An option of a service is wrong.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace bullpen {

/// what() is one sentence without the option's name.
class OptionError : public std::invalid_argument {
public:
    OptionError(std::string key, const std::string& sentence)
        : std::invalid_argument{sentence}, key_{std::move(key)} {}

    /// As in the configuration file: "error_page".
    [[nodiscard]] const std::string& key() const noexcept { return key_; }

private:
    std::string key_;
};

}  // namespace bullpen
