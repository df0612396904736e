#include "servers/services/file_cache.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>
#include <vector>

using namespace bullpen;
using namespace bullpen::http;
using std::chrono::seconds;

namespace {

std::shared_ptr<const KeptFile> file_of(std::size_t size) {
    return std::make_shared<const KeptFile>(KeptFile{.fd = {},
                                                     .contents = std::string(size, 'x'),
                                                     .size = size,
                                                     .validator = {timespec{}, size},
                                                     .type = "text/plain",
                                                     .headers = {}});
}

}  // namespace

TEST_SUITE("file cache") {
    const TimePoint now{seconds{1000}};

    TEST_CASE("a file is kept for its time and no longer") {
        FileCache cache{{.lifetime = seconds{5}}};
        CHECK(cache.find("a", now) == nullptr);
        const auto file = file_of(3);
        cache.keep("a", file, now);
        CHECK(cache.find("a", now) == file);
        CHECK(cache.find("a", now + seconds{5} - std::chrono::nanoseconds{1}) == file);
        CHECK(cache.find("a", now + seconds{5}) == nullptr);
        CHECK(cache.find("b", now) == nullptr);
    }

    TEST_CASE("a newer state takes the place of the older") {
        FileCache cache{{.lifetime = seconds{5}, .files_max = 2}};
        cache.keep("a", file_of(1), now);
        cache.keep("b", file_of(1), now);
        const auto newer = file_of(2);
        cache.keep("a", newer, now + seconds{4});
        CHECK(cache.find("a", now + seconds{8}) == newer);
        CHECK(cache.find("b", now + seconds{4}) != nullptr);
    }

    TEST_CASE("the oldest go where a limit wants it, and who holds one may use it on") {
        FileCache few{{.lifetime = seconds{5}, .files_max = 2}};
        const auto oldest = file_of(1);
        few.keep("a", oldest, now);
        few.keep("b", file_of(1), now);
        few.keep("c", file_of(1), now);
        CHECK(few.find("a", now) == nullptr);
        CHECK(few.find("b", now) != nullptr);
        CHECK(few.find("c", now) != nullptr);
        CHECK(oldest->contents == "x");
        CHECK(oldest.use_count() == 1);

        FileCache small{{.lifetime = seconds{5}, .bytes_max = 1000}};
        small.keep("a", file_of(400), now);
        small.keep("b", file_of(400), now);
        small.keep("c", file_of(400), now);
        CHECK(small.find("a", now) == nullptr);
        CHECK(small.find("b", now) != nullptr);
        small.keep("huge", file_of(1001), now);
        CHECK(small.find("huge", now) == nullptr);
        CHECK(small.find("b", now) != nullptr);
        small.keep("whole", file_of(995), now);
        CHECK(small.find("whole", now) != nullptr);
        CHECK(small.find("c", now) == nullptr);
        small.clear();
        CHECK(small.find("whole", now) == nullptr);
        small.keep("whole", file_of(995), now);
        CHECK(small.find("whole", now) != nullptr);
    }

    TEST_CASE("without a lifetime nothing is kept") {
        FileCache off{{}};
        CHECK_FALSE(off.is_on());
        off.keep("a", file_of(1), now);
        CHECK(off.find("a", now) == nullptr);
    }

    TEST_CASE("several threads may use one cache") {
        FileCache cache{{.lifetime = seconds{5}, .files_max = 10}};
        std::vector<std::thread> threads;
        std::atomic<int> wrong{0};
        for (int number = 0; number < 4; ++number)
            threads.emplace_back([&cache, &wrong, number] {
                for (std::size_t i = 0; i < 2000; ++i) {
                    const std::size_t size = (i * 7 + static_cast<std::size_t>(number)) % 20;
                    const std::string path = std::to_string(size);
                    const auto found = cache.find(path, now);
                    if (found && found->contents.size() != size) ++wrong;
                    if (!found) cache.keep(path, file_of(size), now);
                }
            });
        for (std::thread& thread : threads)
            thread.join();
        CHECK(wrong == 0);
    }
}
