#include "pool/obituary.hpp"

#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "core/enumerate.hpp"
#include "core/process.hpp"

namespace bullpen {
namespace {

/// Whose decision the death was.
std::string decision(ExitReason reason, bool by_signal) {
    switch (reason) {
        case ExitReason::drain_limit:
            return ", by the master, because it was still busy at the end of the stop (drain_timeout or a "
                   "second "
                   "Ctrl-C)";
        case ExitReason::request_timeout: return ", because the master ended it (request_timeout)";
        case ExitReason::stopped:
            return ", by the master, because it was stopped (SIGSTOP, a debugger) for longer than "
                   "stopped_timeout";
        case ExitReason::replaced: return ", because the master replaces it";
        case ExitReason::start: return " before it was ready";
        case ExitReason::descriptors: return ", because it was out of descriptors";
        case ExitReason::master:
        case ExitReason::retired:
        case ExitReason::exited:
        case ExitReason::signalled: break;
    }
    return by_signal ? ", which the master didn't send" : "";
}

std::string describe(const Work& work) {
    std::array<char, 32> age{};
    std::snprintf(age.data(), age.size(), ", %.1f s old", static_cast<double>(work.age.count()) / 1e9);
    const std::string request = work.request.empty() ? "" : "the request \"" + work.request + "\"";
    const std::string client = work.client.empty() ? "" : "client " + work.client;
    const std::string both = request + (request.empty() || client.empty() ? "" : " of ") + client;
    return (both.empty() ? "a request" : both) + age.data();
}

}  // namespace

std::string Obituary::text() const {
    constexpr std::size_t shown_most = 3;
    std::vector<std::string> shown;
    for (std::size_t i = 0; i < std::min(work.size(), shown_most); ++i)
        shown.push_back(describe(work[i]));
    if (work.size() > shown_most) shown.push_back(std::to_string(work.size() - shown_most) + " more");
    return worker + " " + describe_end(status) + decision(reason, WIFSIGNALED(status)) +
           (why.empty() ? "" : ": " + why) + (shown.empty() ? "" : "; it had " + enumerate(shown)) +
           (given_again > 0 ? "; connections given to others: " + std::to_string(given_again) : "") +
           (lost > 0 ? "; connections lost: " + std::to_string(lost) : "");
}

}  // namespace bullpen
