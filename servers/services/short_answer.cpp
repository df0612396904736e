#include "servers/services/short_answer.hpp"

#include <utility>

#include <bullpen/async_connection.hpp>

namespace bullpen {
namespace {

boost::asio::awaitable<void> give(AsyncConnection& client, std::string text) {
    co_await client.write_last(text);
    co_await client.linger();
}

}  // namespace

/// What the client has sent is thrown away, because a close with unread bytes would reset the connection and
/// destroy the answer on its way.
Handler make_short_answer(ShortAnswer answer) {
    return [answer = std::move(answer)](Connection& client) {
        client.write_last(answer());
        (void)client.linger_a_turn(Clock::now());
    };
}

AsyncHandler make_async_short_answer(ShortAnswer answer) {
    return [answer = std::move(answer)](AsyncConnection& client) { return give(client, answer()); };
}

}  // namespace bullpen
