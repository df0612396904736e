/// Early random drop, as sshd's MaxStartups: the more clients wait, the likelier a new one is turned away.
#pragma once

#include <string_view>

namespace bullpen {

/// A crowd of silent clients then can't keep all others out: some of each always get in.
struct EarlyDrop {
    int begin = 0;   ///< With so many clients unserved it begins; 0: it is off.
    int rate = 100;  ///< In percent, the share of new clients that is dropped then.
    int full = 0;    ///< With so many unserved all are dropped; in between the share rises evenly.

    /// Reads "begin:rate:full", or "N": all are dropped while N are unserved; "0" is off. Throws
    /// std::invalid_argument, one sentence that quotes the text.
    static EarlyDrop parse(std::string_view text);
};

/// The probability, in percent, with which a client is dropped that comes while so many are unserved.
constexpr int drop_percent(EarlyDrop drop, int unserved) noexcept {
    if (drop.begin <= 0 || unserved < drop.begin) return 0;
    if (unserved >= drop.full) return 100;
    const long long above = unserved - drop.begin;
    return drop.rate + static_cast<int>((100 - drop.rate) * above / (drop.full - drop.begin));
}

}  // namespace bullpen
