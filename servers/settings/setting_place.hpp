/// Where a pool's settings stand: for saying what is wrong with one of them.
#pragma once

#include <string>
#include <string_view>

#include "pool/model.hpp"

namespace bullpen {

/// For `place` and `spell` see make_pool(). What it throws is SettingError.
class SettingPlace {
public:
    SettingPlace(std::string_view place, std::string (*spell)(std::string_view key)) noexcept
        : place_{place}, spell_{spell} {}

    [[noreturn]] void reject(const std::string& sentence) const;

    /// As this user writes the key.
    [[nodiscard]] std::string spelled(std::string_view key) const { return spell_(key); }

    /// Rejects a key that is in use and fits only other models. `which`: "model prefork".
    void require(bool fits, std::string_view key, const std::string& which, const Model& model) const;

    void require_accepting_master(std::string_view key, const Model& model) const;

private:
    std::string_view place_;
    std::string (*spell_)(std::string_view);
};

}  // namespace bullpen
