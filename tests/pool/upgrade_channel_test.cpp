/// What an old server and a new program tell each other, and what becomes of anything else.
#include "pool/upgrade_channel.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "tests/core/open_descriptors.hpp"
#include "tests/core/socket_pair.hpp"

using namespace bullpen;
using namespace std::chrono_literals;

TEST_SUITE("pool: the channel of an upgrade") {
    TEST_CASE("a message comes as it was sent, with its descriptors") {
        const long before = open_descriptors();
        {
            const ChannelEnds ends = make_channel();
            const std::array<int, 2> two = {STDIN_FILENO, STDERR_FILENO};
            const std::string name(255, 'n');
            REQUIRE(send(ends.master.get(), UpgradeMessage{UpgradeWord::listener, "127.0.0.1:80", name},
                         two) == Sent::sent);
            UpgradeMail mail;
            REQUIRE(receive(ends.worker.get(), mail) == Received::message);
            CHECK(mail.message.word == UpgradeWord::listener);
            CHECK(mail.message.text() == "127.0.0.1:80");
            CHECK(mail.message.owner() == name);
            CHECK(is_same_socket(mail.descriptors[0].get(), STDIN_FILENO));
            CHECK(is_same_socket(mail.descriptors[1].get(), STDERR_FILENO));
            CHECK(receive(ends.worker.get(), mail) == Received::empty);
        }
        CHECK(open_descriptors() == before);
    }

    TEST_CASE("a message that is looked at stays, with its descriptors") {
        const long before = open_descriptors();
        {
            const ChannelEnds ends = make_channel();
            CHECK_FALSE(peek(ends.worker.get()));
            const std::array<int, 1> one = {STDIN_FILENO};
            REQUIRE(send(ends.master.get(), UpgradeMessage{UpgradeWord::listener, "unix:/x"}, one) ==
                    Sent::sent);
            REQUIRE(tell_to_go(ends.master.get(), 7));
            for (int i = 0; i < 2; ++i)
                CHECK(peek(ends.worker.get()).value().text() == "unix:/x");
            UpgradeMail mail;
            REQUIRE(receive(ends.worker.get(), mail) == Received::message);
            CHECK(is_same_socket(mail.descriptors[0].get(), STDIN_FILENO));
            CHECK(peek(ends.worker.get()).value().word == UpgradeWord::go);
            CHECK(peek(ends.worker.get()).value().pid == 7);
        }
        CHECK(open_descriptors() == before);
    }

    TEST_CASE("a program that isn't there any more can't be told to go") {
        ChannelEnds ends = make_channel();
        ends.worker.reset();
        CHECK_FALSE(tell_to_go(ends.master.get(), 0));
        CHECK_FALSE(peek(ends.master.get()));
    }

    TEST_CASE("a text that is too long is cut") {
        CHECK(UpgradeMessage{UpgradeWord::failed, std::string(5000, 'x')}.text() == std::string(511, 'x'));
    }

    TEST_CASE("another version, and what is no message, is malformed, and its descriptors are closed") {
        const long before = open_descriptors();
        {
            const ChannelEnds ends = make_channel();
            UpgradeMessage other{UpgradeWord::ready};
            ++other.version;
            const std::array<int, 1> one = {STDIN_FILENO};
            REQUIRE(send(ends.master.get(), other, one) == Sent::sent);
            for (const std::size_t size : {1U, 4U, 5000U}) {
                const std::vector<std::byte> bytes(size, std::byte{1});
                REQUIRE(send_packet(ends.master.get(), bytes, one) == Sent::sent);
            }
            for (int i = 0; i < 4; ++i) {
                UpgradeMail mail;
                CHECK(receive(ends.worker.get(), mail) == Received::malformed);
            }
        }
        CHECK(open_descriptors() == before);
    }

    TEST_CASE("the other end's end is an end") {
        ChannelEnds ends = make_channel();
        ends.master.reset();
        UpgradeMail mail;
        CHECK(receive(ends.worker.get(), mail) == Received::closed);
        CHECK(send(ends.worker.get(), UpgradeMessage{UpgradeWord::go}) == Sent::closed);
    }

    TEST_CASE("a connection keeps its deadline, its state and its history") {
        ConnectionEntry entry;
        entry.peer = {.address = *IpAddress::parse("1.2.3.4"), .port = 5, .has_address = true};
        entry.since = TimePoint{} + 5s;
        entry.deadline = TimePoint{} + 9s;
        entry.resumption.parking.limit = Limit::write;
        entry.unsent = 77;
        entry.crashes = 1;
        entry.half_heads = 3;
        entry.served = true;
        ConnectionEntry moved;
        MovedConnection::of(entry).apply_to(moved);
        CHECK(moved.since == entry.since);
        CHECK(moved.deadline == entry.deadline);
        CHECK(moved.parking().limit == Limit::write);
        CHECK(moved.unsent == 77);
        CHECK(moved.crashes == 1);
        CHECK(moved.half_heads == 3);
        CHECK(moved.served);
        CHECK(moved.was_given);
    }
}
