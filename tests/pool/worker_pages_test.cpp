#include "pool/worker_pages.hpp"

#include <doctest/doctest.h>
#include <sys/mman.h>

#include <random>

#include "pool/scoreboard.hpp"

using namespace bullpen;

namespace {

/// Pages for so many connections, all 0 as those of a new scoreboard.
class OwnPages {
public:
    explicit OwnPages(std::uint32_t depth)
        : size_{WorkerPages::size(depth)},
          memory_{::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)},
          pages{memory_, depth} {}
    ~OwnPages() { ::munmap(memory_, size_); }
    OwnPages(const OwnPages&) = delete;
    OwnPages& operator=(const OwnPages&) = delete;

private:
    std::size_t size_;
    void* memory_;

public:
    WorkerPages pages;
};

Completion completion_of(std::uint64_t number) {
    Completion completion{.number = number,
                          .kind = static_cast<Completion::Kind>(number % 3),
                          .file = static_cast<Completion::File>(number % 3),
                          .exchanged = number % 2 == 0};
    completion.resumption.parking.deadline_ns = ~number;
    completion.resumption.state.fill(static_cast<std::byte>(number));
    return completion;
}

void check_is(const Completion& completion, std::uint64_t number) {
    const Completion wanted = completion_of(number);
    REQUIRE(completion.number == number);
    REQUIRE(completion.kind == wanted.kind);
    REQUIRE(completion.file == wanted.file);
    REQUIRE(completion.exchanged == wanted.exchanged);
    REQUIRE(completion.resumption.parking.deadline_ns == ~number);
    REQUIRE(completion.resumption.state == wanted.resumption.state);
}

constexpr std::uint32_t depths[] = {1, 2, 3, 5, 17, 64, 1000};

}  // namespace

TEST_SUITE("pool: a worker's pages") {
    TEST_CASE("they are whole pages, as many as are needed, and none for no connection") {
        CHECK(WorkerPages::size(0) == 0);
        CHECK_FALSE(WorkerPages{});
        CHECK_FALSE(WorkerPages{nullptr, 0});
        std::size_t before = 0;
        for (const std::uint32_t depth : depths) {
            const std::size_t size = WorkerPages::size(depth);
            CHECK(size % scoreboard_page == 0);
            CHECK(size >= before);
            CHECK(size >= depth * (sizeof(Completion) + sizeof(HandoffNote)));
            CHECK(size <=
                  128 + 2 * (depth + 3) * sizeof(Completion) + depth * sizeof(HandoffNote) + scoreboard_page);
            before = size;
        }
        CHECK(WorkerPages::size(2) == scoreboard_page);  // What most models have.
    }

    TEST_CASE("what is published is read in order, also long after the ring has begun anew") {
        for (const std::uint32_t depth : depths) {
            const OwnPages own{depth};
            CHECK(own.pages);
            CHECK(own.pages.depth() == depth);
            std::mt19937 random{depth};
            std::uint64_t written = 0;
            std::uint64_t read = 0;
            while (read < 5 * depth + 10) {
                if (written - read < depth && random() % 2 == 0) {
                    own.pages.write(completion_of(++written));
                    own.pages.publish();
                } else if (read < written) {
                    check_is(own.pages.read(read), read + 1);
                    ++read;
                }
                REQUIRE(own.pages.published() == written);
            }
        }
    }

    TEST_CASE("the ring holds as many as there can be connections, and the withdrawn: none is written over") {
        for (const std::uint32_t depth : depths) {
            const OwnPages own{depth};
            const std::uint64_t most = depth + messages_at_once - 1;
            for (std::uint64_t number = 1; number <= most; ++number) {
                own.pages.write(completion_of(number));
                own.pages.publish();
            }
            for (std::uint64_t number = 1; number <= most; ++number)
                check_is(own.pages.read(number - 1), number);
        }
    }

    TEST_CASE("what is written and not published is not there, and may be written again") {
        const OwnPages own{2};
        own.pages.write(completion_of(8));
        CHECK(own.pages.published() == 0);
        own.pages.write(completion_of(9));
        CHECK(own.pages.published() == 0);
        own.pages.publish();
        CHECK(own.pages.published() == 1);
        check_is(own.pages.read(0), 9);
    }

    TEST_CASE("the number of completions goes on where the last worker's ended, also over all bits") {
        for (const std::uint64_t before : {std::uint64_t{0}, std::uint64_t{7}, ~std::uint64_t{0}}) {
            const OwnPages own{3};
            own.pages.restart(before);
            CHECK(own.pages.published() == before);
            for (std::uint64_t i = 0; i < 10; ++i) {
                own.pages.write(completion_of(i));
                own.pages.publish();
                CHECK(own.pages.published() == before + i + 1);
                check_is(own.pages.read(before + i), i);
            }
        }
    }

    TEST_CASE("what is withdrawn is the master's word, apart from all that the worker says") {
        const OwnPages own{2};
        CHECK(own.pages.withdrawn() == 0);
        own.pages.withdraw(~std::uint64_t{0} - 1);
        for (std::uint64_t number = 1; number <= 20; ++number) {
            own.pages.write(completion_of(number));
            own.pages.publish();
            CHECK(own.pages.withdrawn() == ~std::uint64_t{0} - 1);
        }
        CHECK(own.pages.published() == 20);
    }

    TEST_CASE("a new worker finds no note of its predecessor, and nothing withdrawn") {
        const OwnPages own{5};
        own.pages.withdraw(9);
        for (std::uint32_t i = 0; i < 5; ++i)
            own.pages.note(i).tell(i + 1, Progress::touched, true);
        own.pages.restart(3);
        CHECK(own.pages.withdrawn() == 0);
        for (std::uint32_t i = 0; i < 5; ++i) {
            CHECK(own.pages.note(i).number() == 0);
            CHECK(own.pages.note(i).read().progress == Progress::received);
        }
    }

    TEST_CASE("notes and completions lie apart, each within the pages") {
        for (const std::uint32_t depth : depths) {
            const OwnPages own{depth};
            for (std::uint32_t i = 0; i < depth; ++i)
                own.pages.note(i).tell(i + 1, Progress::touched, true, {.parking = {.deadline_ns = i}});
            for (std::uint64_t number = 1; number <= depth; ++number) {
                own.pages.write(completion_of(number));
                own.pages.publish();
            }
            for (std::uint32_t i = 0; i < depth; ++i) {
                const HandoffNote::Told told = own.pages.note(i).read();
                REQUIRE(told.number == i + 1);
                REQUIRE(told.resumption.parking.deadline_ns == i);
                check_is(own.pages.read(i), i + 1);
            }
            const auto* const begin = reinterpret_cast<const std::byte*>(&own.pages.note(0));
            const auto* const end = reinterpret_cast<const std::byte*>(&own.pages.note(depth - 1) + 1);
            CHECK(end - begin == static_cast<std::ptrdiff_t>(depth * sizeof(HandoffNote)));
        }
    }

    TEST_CASE("each slot of a scoreboard has its own, behind its row, seen by the worker that keeps them") {
        Scoreboard board{3, 4};
        for (std::uint32_t slot = 0; slot < 3; ++slot) {
            CHECK(board.pages(slot).depth() == 4);
            board.pages(slot).write(completion_of(slot));
            board.pages(slot).publish();
        }
        for (std::uint32_t slot = 0; slot < 3; ++slot) {
            CHECK(board.pages(slot).published() == 1);
            check_is(board.pages(slot).read(0), slot);
            CHECK(board.row(slot).completed == 0);
        }
        CHECK(board.row_stride() == sizeof(ScoreboardRow) + WorkerPages::size(4));
        board.keep_only(1);
        check_is(board.pages(1).read(0), 1);
    }
}
