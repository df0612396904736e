/// sequence-number: each client gets numbers that nobody else has got (TLPI 44.8 and 59.11).
#include <atomic>
#include <charconv>
#include <cstdint>
#include <cstring>

#include <bullpen/async_connection.hpp>
#include <bullpen/messages.hpp>
#include "core/parse_number.hpp"
#include "core/shared_array.hpp"
#include "servers/services/service.hpp"

namespace bullpen {
namespace {

constexpr std::size_t line_most = 32;
constexpr std::uint32_t numbers_most = 1'000'000'000;
constexpr std::string_view expected = "? expected: how many numbers, from 1 to 1000000000\n";

/// The first number that nobody has. One for the whole server, in memory that its processes share: a worker's
/// death, the master's and a reload leave it as it is.
std::atomic<std::uint64_t>& next_number() {
    static SharedArray<std::atomic<std::uint64_t>> shared{1};
    return shared[0];
}

/// "3" takes three numbers and is told the first of them.
std::string answer(std::string_view line) {
    const auto wanted = parse_number<std::uint32_t>(line);
    if (!wanted || *wanted == 0 || *wanted > numbers_most) return std::string{expected};
    return std::to_string(next_number().fetch_add(*wanted, std::memory_order_relaxed)) + "\n";
}

/// The line's end may be missing.
std::string answer_datagram(std::string_view question) {
    while (question.ends_with('\n') || question.ends_with('\r'))
        question.remove_suffix(1);
    return answer(question);
}

boost::asio::awaitable<void> serve(AsyncConnection& client) {
    std::array<std::byte, line_most> buffer;
    std::size_t held = 0;
    for (;;) {
        const std::string_view text{reinterpret_cast<const char*>(buffer.data()), held};
        const auto line = Lines::first_in(std::span{buffer}.first(held), line_most);
        if (line) {
            const std::string told = answer(text.substr(0, line->size));
            std::memmove(buffer.data(), buffer.data() + line->taken, held -= line->taken);
            co_await client.write_all(told);
        } else if (held == buffer.size()) {
            co_await client.write_last(expected);
            co_await client.linger();
            co_return;
        } else {
            const auto more =
                co_await client.read_next(std::span{buffer}.subspan(held), client.limits().idle);
            if (!more || *more == 0) co_return;
            held += *more;
        }
    }
}

}  // namespace

/// It has no program form: programs of one client each have no number in common.
Service sequence_number_service() {
    return {.name = "sequence-number",
            .summary = "\"3\": three numbers nobody else gets (TLPI 59.11)",
            .make = [](const ServiceOptions&) -> Handler {
                next_number();  // Made before the workers are.
                return by_lines(
                    [](Connection& client, std::string_view line) { client.write_all(answer(line)); },
                    {.longest = line_most, .too_long = std::string{expected}});
            },
            .make_async = [](const ServiceOptions&) -> AsyncHandler {
                next_number();
                return serve;
            },
            .make_datagram = [](const ServiceOptions&) -> DatagramAnswer {
                next_number();
                return answer_datagram;
            },
            .client_speaks_first = true};
}

}  // namespace bullpen
