#include "servers/services/short_answer.hpp"

#include <utility>

#include <bullpen/async_connection.hpp>
#include "servers/services/own_program.hpp"

namespace bullpen {
namespace {

/// What the client has sent is thrown away, because a close with unread bytes would reset the connection and
/// destroy the answer on its way.
Handler blocking_form(ShortAnswer answer) {
    return [answer = std::move(answer)](Connection& client) {
        client.write_last(answer());
        (void)client.linger_a_turn(Clock::now());
    };
}

boost::asio::awaitable<void> give(AsyncConnection& client, std::string text) {
    co_await client.write_last(text);
    co_await client.linger();
}

AsyncHandler asynchronous_form(ShortAnswer answer) {
    return [answer = std::move(answer)](AsyncConnection& client) { return give(client, answer()); };
}

}  // namespace

Service short_answer_service(std::string_view name, std::string_view summary,
                             std::function<ShortAnswer(const ServiceOptions& options)> make) {
    return {.name = name,
            .summary = summary,
            .make = [make](const ServiceOptions& options) { return blocking_form(make(options)); },
            .make_async = [make](const ServiceOptions& options) { return asynchronous_form(make(options)); },
            .make_program =
                [make, name](const ServiceOptions& options) {
                    (void)make(options);
                    return own_program(std::string{name});
                },
            .make_datagram = [make](const ServiceOptions& options) -> DatagramAnswer {
                return [answer = make(options)](std::string_view) { return answer(); };
            }};
}

Service short_answer_service(std::string_view name, std::string_view summary, ShortAnswer answer) {
    return short_answer_service(name, summary,
                                std::function<ShortAnswer(const ServiceOptions&)>{
                                    [answer](const ServiceOptions&) { return answer; }});
}

}  // namespace bullpen
