#include "servers/services/guarded_datagrams.hpp"

#include <doctest/doctest.h>
#include <poll.h>

#include <memory>
#include <string>

#include <bullpen/unique_fd.hpp>
#include "core/datagram_batch.hpp"
#include "core/resolve.hpp"

using namespace bullpen;

namespace {

/// How many of so many equal questions a handler answers. The others it refuses, or says nothing.
int answered(const DatagramHandler& handler, const std::string& question, int times) {
    const Listener listener = Listener::open(resolve("udp:127.0.0.1:0").front(), {});
    const UniqueFd client{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    const Address to = listener.address();
    const auto batch = std::make_unique<DatagramBatch>();
    int answers = 0;
    for (int i = 0; i < times; ++i) {
        REQUIRE(::sendto(client.get(), question.data(), question.size(), 0, to.data(), to.size()) >= 0);
        REQUIRE(batch->receive(listener, 1, DatagramBatch::Wait::never) == 1);
        Datagram datagram = batch->at(0);
        handler(datagram);
        batch->send_answers();
        char answer[100];
        if (::recv(client.get(), answer, sizeof answer, MSG_DONTWAIT) >= 0) ++answers;
    }
    return answers;
}

}  // namespace

TEST_SUITE("services: guarded datagrams") {
    TEST_CASE("answers that aren't longer than their questions are given always") {
        const DatagramHandler handler = guarded(
            [](std::string_view question) { return std::string{question}; }, std::make_shared<LongAnswers>());
        CHECK(answered(handler, "hello", 50) == 50);
    }

    TEST_CASE("longer ones are given to a source four times a second") {
        const DatagramAnswer answer = [](std::string_view) { return std::string{"a long answer"}; };
        const auto long_answers = std::make_shared<LongAnswers>();
        const DatagramHandler handler = guarded(answer, long_answers);
        const int answers = answered(handler, "short", 50);
        CHECK(answers >= 4);
        CHECK(answers < 20);
        CHECK(answered(handler, "a question as long", 5) == 5);

        const DatagramHandler of_another_worker = guarded(answer, long_answers);
        CHECK(answered(handler, "short", 50) + answered(of_another_worker, "short", 50) < 20);
    }

    TEST_CASE("an empty answer isn't sent") {
        CHECK(
            answered(guarded([](std::string_view) { return std::string{}; }, std::make_shared<LongAnswers>()),
                     "x", 3) == 0);
    }
}
