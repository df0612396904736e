/// A calculator that can be seen into: questions by operation, those being answered, and the time they take.
///
/// To learn: metrics of one's own are three kinds of values that any handler counts with; the exporter adds
/// up all workers, and a worker that dies takes none of its counts along.
///
///     own_metrics 127.0.0.1:7001 127.0.0.1:9464
///     curl -s http://127.0.0.1:9464/metrics | grep calculator
#include <charconv>
#include <chrono>
#include <iostream>
#include <optional>
#include <string>
#include <string_view>

#include <bullpen/messages.hpp>
#include <bullpen/metrics.hpp>
#include <bullpen/serve.hpp>

namespace {

const bullpen::Counter answers{"calculator_answers_total", "Questions answered.", "operation"};
const bullpen::Gauge now{"calculator_questions", "Questions that are being answered now."};
const bullpen::Histogram seconds{"calculator_seconds", "Time to answer a question.",
                                 bullpen::Buckets{1e-6, 1e-5, 1e-4, 1e-3}};

std::optional<long> number(std::string_view text) {
    long value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return {};
    return value;
}

std::string answer(std::string_view question) {
    const std::size_t first = question.find(' ');
    const std::size_t second = question.find(' ', first + 1);
    if (second == std::string_view::npos || second != first + 2) {
        answers.with("none").add();
        return "? expected: NUMBER + NUMBER\n";
    }
    const std::string_view operation = question.substr(first + 1, 1);
    const auto left = number(question.substr(0, first));
    const auto right = number(question.substr(second + 1));
    // One of a few words of ours, and not the client's own: else clients could fill the memory with series.
    const bool known = left && right && (operation == "+" || operation == "-");
    answers.with(known ? operation : "none").add();
    if (!known) return "? expected: NUMBER + NUMBER\n";
    return std::to_string(operation == "+" ? *left + *right : *left - *right) + "\n";
}

void serve_question(bullpen::Connection& client, std::string_view question) {
    using Clock = std::chrono::steady_clock;
    now.add();
    const Clock::time_point begin = Clock::now();
    client.write_all(answer(question));
    seconds.observe(std::chrono::duration<double>(Clock::now() - begin).count());
    now.subtract();
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2) {
        std::cerr << "usage: own_metrics HOST:PORT [METRICS:PORT]\n";
        return 2;
    }
    bullpen::Options options;
    options.listen = {argv[1]};
    if (argc > 2) options.metrics = argv[2];
    return bullpen::serve(options, bullpen::by_lines(serve_question));
}
