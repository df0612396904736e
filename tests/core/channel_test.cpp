#include "core/channel.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <vector>

#include "tests/core/open_descriptors.hpp"

using namespace bullpen;

namespace {

UniqueFd some_file() {
    return UniqueFd{::open("/dev/null", O_RDWR | O_CLOEXEC)};
}

bool same_file(int a, int b) {
    struct stat left {
    }, right{};
    return ::fstat(a, &left) == 0 && ::fstat(b, &right) == 0 && left.st_ino == right.st_ino &&
           left.st_dev == right.st_dev;
}

/// What a broken or hostile sender may send: any bytes with any number of descriptors.
void send_raw(int channel, const std::vector<char>& bytes, const std::vector<int>& fds) {
    iovec payload{const_cast<char*>(bytes.data()), bytes.size()};
    std::vector<char> control(CMSG_SPACE(fds.size() * sizeof(int)));
    msghdr header{};
    header.msg_iov = &payload;
    header.msg_iovlen = 1;
    if (!fds.empty()) {
        header.msg_control = control.data();
        header.msg_controllen = control.size();
        cmsghdr* part = CMSG_FIRSTHDR(&header);
        part->cmsg_level = SOL_SOCKET;
        part->cmsg_type = SCM_RIGHTS;
        part->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
        std::memcpy(CMSG_DATA(part), fds.data(), fds.size() * sizeof(int));
    }
    REQUIRE(::sendmsg(channel, &header, 0) == static_cast<ssize_t>(bytes.size()));
}

}  // namespace

TEST_SUITE("core: channels") {
    TEST_CASE("a message and its descriptors arrive whole, and close-on-exec") {
        const long before = open_descriptors();
        {
            const ChannelEnds ends = make_channel();
            const UniqueFd file = some_file();
            Message sent{.generation = 7, .since_ns = 123, .handoff = std::uint64_t{5} << 40, .listener = 3};
            sent.resumption = {.parking = {.deadline_ns = 4, .what = Await::output}};
            sent.resumption.state[63] = std::byte{9};
            const int fds[] = {file.get(), STDERR_FILENO};
            REQUIRE(send_message(ends.master.get(), sent, fds) == Sent::sent);

            Envelope got;
            REQUIRE(receive_message(ends.worker.get(), got, Wait::until_message) == Received::message);
            CHECK(got.message().kind == MessageKind::connection);
            CHECK(got.message().generation == 7);
            CHECK(got.message().since_ns == 123);
            CHECK(got.message().listener == 3);
            CHECK(got.message().handoff == sent.handoff);
            CHECK(got.message().resumption.parking.deadline_ns == 4);
            CHECK(got.message().resumption.parking.what == Await::output);
            CHECK(got.message().resumption.state == sent.resumption.state);
            CHECK(same_file(got.descriptors[0].get(), file.get()));
            CHECK(same_file(got.descriptors[1].get(), STDERR_FILENO));
            CHECK((::fcntl(got.descriptors[0].get(), F_GETFD) & FD_CLOEXEC) != 0);
        }
        CHECK(open_descriptors() == before);
    }

    TEST_CASE("several messages with one descriptor each are received by one call, in their order") {
        const long before = open_descriptors();
        for (std::size_t count = 1; count <= messages_at_once; ++count) {
            const ChannelEnds ends = make_channel();
            std::vector<Message> sent;
            std::vector<UniqueFd> files;
            std::vector<int> fds;
            for (std::size_t i = 0; i < count; ++i) {
                sent.push_back({.handoff = i + 1, .listener = static_cast<std::uint32_t>(7 * i)});
                fds.push_back(files.emplace_back(some_file()).get());
            }
            REQUIRE(send_messages(ends.master.get(), sent, fds) == Sent::sent);
            Envelope got;
            REQUIRE(receive_message(ends.worker.get(), got, Wait::never) == Received::message);
            REQUIRE(got.messages().size() == count);
            for (std::size_t i = 0; i < count; ++i) {
                CHECK(got.messages()[i].handoff == i + 1);
                CHECK(got.messages()[i].listener == 7 * i);
                CHECK(same_file(got.descriptors[i].get(), fds[i]));
            }
            Envelope next;
            CHECK(receive_message(ends.worker.get(), next, Wait::never) == Received::empty);
        }
        CHECK(open_descriptors() == before);
    }

    TEST_CASE("several messages with more or fewer descriptors, and too many messages, are malformed") {
        const ChannelEnds ends = make_channel();
        const UniqueFd file = some_file();
        const long before = open_descriptors();
        for (std::size_t count = 2; count <= messages_at_once + 1; ++count) {
            for (std::size_t descriptors = 1; descriptors <= messages_at_once + 1; ++descriptors) {
                if (descriptors == count && count <= messages_at_once) continue;
                CAPTURE(count);
                CAPTURE(descriptors);
                send_raw(ends.master.get(), std::vector<char>(count * sizeof(Message)),
                         std::vector<int>(descriptors, file.get()));
                Envelope got;
                CHECK(receive_message(ends.worker.get(), got, Wait::never) == Received::malformed);
            }
        }
        CHECK(open_descriptors() == before);
    }

    TEST_CASE("an empty channel and a closed one are ordinary answers") {
        ChannelEnds ends = make_channel();
        Envelope got;
        CHECK(receive_message(ends.worker.get(), got, Wait::never) == Received::empty);
        ends.master.reset();
        CHECK(receive_message(ends.worker.get(), got, Wait::until_message) == Received::closed);
        CHECK(send_message(ends.worker.get(), {}, {}) == Sent::closed);
    }

    TEST_CASE("surplus descriptors in one message are closed, not leaked") {
        const ChannelEnds ends = make_channel();
        const UniqueFd file = some_file();
        const long before = open_descriptors();
        for (const std::size_t count : {std::size_t{3}, std::size_t{10}, std::size_t{253}}) {
            send_raw(ends.master.get(), std::vector<char>(sizeof(Message)),
                     std::vector<int>(count, file.get()));
            Envelope got;
            CHECK(receive_message(ends.worker.get(), got, Wait::until_message) == Received::malformed);
        }
        CHECK(open_descriptors() == before);
    }

    TEST_CASE("a malformed message leaks no descriptor") {
        const ChannelEnds ends = make_channel();
        const UniqueFd file = some_file();
        const long before = open_descriptors();
        for (const std::size_t size :
             {std::size_t{0}, std::size_t{1}, sizeof(Message) - 1, sizeof(Message) + 1}) {
            CAPTURE(size);
            send_raw(ends.master.get(), std::vector<char>(size), {file.get()});
            Envelope got;
            CHECK(receive_message(ends.worker.get(), got, Wait::until_message) == Received::malformed);
        }
        CHECK(open_descriptors() == before);
    }

    TEST_CASE("running out of descriptors is reported, not silently dropped") {
        const ChannelEnds ends = make_channel();
        const UniqueFd file = some_file();
        const int fds[] = {file.get()};
        REQUIRE(send_message(ends.master.get(), {}, fds) == Sent::sent);
        rlimit saved{};
        ::getrlimit(RLIMIT_NOFILE, &saved);
        const UniqueFd next = some_file();
        const rlimit full{static_cast<rlim_t>(next.get()) + 1, saved.rlim_max};
        ::setrlimit(RLIMIT_NOFILE, &full);
        Envelope got;
        const Received received = receive_message(ends.worker.get(), got, Wait::never);
        ::setrlimit(RLIMIT_NOFILE, &saved);
        CHECK(received == Received::truncated);
        CHECK(got.messages().size() == 1);
        CHECK(!got.descriptors[0]);
    }

    TEST_CASE("a full channel takes nothing and does not block") {
        const ChannelEnds ends = make_channel();
        int sent = 0;
        while (send_message(ends.master.get(), {}, {}) == Sent::sent)
            ++sent;
        CHECK(sent > 10);
        CHECK(send_message(ends.master.get(), {}, {}) == Sent::would_block);
    }

    TEST_CASE("messages outlive a receiver that died before it received them") {
        ChannelEnds ends = make_channel();
        const UniqueFd file = some_file();
        const int fds[] = {file.get()};
        const pid_t receiver = ::fork();
        if (receiver == 0) {
            ends.master.reset();
            ::raise(SIGKILL);
        }
        REQUIRE(send_message(ends.master.get(), {.generation = 1}, fds) == Sent::sent);
        REQUIRE(::waitpid(receiver, nullptr, 0) == receiver);
        Envelope got;
        REQUIRE(receive_message(ends.worker.get(), got, Wait::never) == Received::message);
        CHECK(got.message().generation == 1);
        CHECK(got.descriptors[0]);
    }

    TEST_CASE("queued messages are received after the sender left with something unread") {
        ChannelEnds ends = make_channel();
        const UniqueFd file = some_file();
        const int fds[] = {file.get()};
        REQUIRE(send_message(ends.worker.get(), {}, {}) ==
                Sent::sent);  // Stays unread: ECONNRESET comes of it.
        REQUIRE(send_message(ends.master.get(), {.generation = 1}, fds) == Sent::sent);
        REQUIRE(send_message(ends.master.get(), {.generation = 2}, fds) == Sent::sent);
        ends.master.reset();
        for (const std::uint32_t generation : {1U, 2U}) {
            Envelope got;
            REQUIRE(receive_message(ends.worker.get(), got, Wait::until_message) == Received::message);
            CHECK(got.message().generation == generation);
        }
        Envelope got;
        CHECK(receive_message(ends.worker.get(), got, Wait::until_message) == Received::closed);
    }
}
