/// Early random drop, as sshd's MaxStartups: the more clients are unserved, the likelier a new one is
/// refused.
#pragma once

#include <string_view>

#include <bullpen/export.hpp>

namespace bullpen {

/// So a crowd of silent clients can't keep all others out: below `full`, a part of all new clients gets in.
struct EarlyDrop {
    int begin = 0;   ///< The number of unserved clients from which new ones are dropped; 0: off.
    int rate = 100;  ///< Percentage of new clients dropped at `begin` unserved ones.
    int full = 0;    ///< From this number on 100 % are dropped; in between the share rises evenly.

    /// Parses "begin:rate:full" ("10:30:100"), or "N" for N:100:N; "0" is off. Throws std::invalid_argument
    /// with one sentence that quotes the text.
    BULLPEN_API static EarlyDrop parse(std::string_view text);
};

/// The probability in percent with which a new client is dropped while `unserved` clients are unserved:
/// rate + (100 - rate) * (unserved - begin) / (full - begin). With 10:30:100, 30 % at 10 and 65 % at 55.
constexpr int drop_percent(EarlyDrop drop, int unserved) noexcept {
    if (drop.begin <= 0 || unserved < drop.begin) return 0;
    if (unserved >= drop.full) return 100;
    const long long above = unserved - drop.begin;
    return drop.rate + static_cast<int>((100 - drop.rate) * above / (drop.full - drop.begin));
}

}  // namespace bullpen
