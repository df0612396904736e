/// A test of one's own server, without a framework: the exit status says whether it passed.
///
/// To learn: the server runs in a process of its own on a port that was free, so that tests run side by side;
/// a test asks as a client does, and looks at the counts that the operator will see.
///
///     own_test
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>

#include <bullpen/messages.hpp>
#include <bullpen/testing.hpp>

namespace {

bullpen::Next reverse(bullpen::Connection& client, std::string_view line) {
    if (line == "crash") std::abort();
    if (line == "bye") return bullpen::Next::close;
    client.write_all(std::string{line.rbegin(), line.rend()} + "\n");
    return bullpen::Next::await_input;
}

bool all_is_well = true;

void expect(bool condition, std::string_view sentence) {
    std::cout << (condition ? "ok      " : "FAILED  ") << sentence << '\n';
    all_is_well = all_is_well && condition;
}

}  // namespace

int main() {
    bullpen::Options options;
    options.name = "reverse";
    options.log_level = bullpen::LogLevel::error;
    bullpen::testing::TestServer server{options, bullpen::by_lines(reverse)};

    expect(server.ask("abc\ndef\n") == "cba\nfed\n", "each line comes back reversed");
    expect(server.ask("bye\nabc\n").empty(), "nothing is answered after bye");
    expect(server.ask("abc\ncrash\n") == "cba\n", "a crash ends its client");
    expect(server.ask("abc\n") == "cba\n", "and nobody else");

    expect(server.metric("bullpen_connections_accepted_total") == 4, "four clients were counted");
    expect(server.metric("bullpen_worker_exits_total", "reason=\"signal\"") == 1, "and one crash");
    expect(server.ask_metrics("/readyz").starts_with("HTTP/1.1 200"), "the server is ready");
    expect(server.stop() == 0, "it stops in order");
    return all_is_well ? EXIT_SUCCESS : EXIT_FAILURE;
}
