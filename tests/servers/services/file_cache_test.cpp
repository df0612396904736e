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
                                                     .validator = {timespec{}, size, 1},
                                                     .headers = {},
                                                     .identity = {}});
}

/// The file that may be used without a look at it, if there is one.
std::shared_ptr<const KeptFile> trusted(const FileCache& cache, std::string_view path, TimePoint now) {
    const FileCache::Found found = cache.find(path, now);
    return found.trusted ? found.file : nullptr;
}

}  // namespace

TEST_SUITE("file cache") {
    const TimePoint now{seconds{1000}};

    TEST_CASE("a file is kept for its time and no longer") {
        FileCache cache{{.lifetime = seconds{5}}};
        CHECK(trusted(cache, "a", now) == nullptr);
        const auto file = file_of(3);
        cache.keep("a", file, now, cache.epoch());
        CHECK(trusted(cache, "a", now) == file);
        CHECK(trusted(cache, "a", now + seconds{5} - std::chrono::nanoseconds{1}) == file);
        CHECK(trusted(cache, "a", now + seconds{5}) == nullptr);
        CHECK(trusted(cache, "b", now) == nullptr);
    }

    TEST_CASE("a newer state takes the place of the older") {
        FileCache cache{{.lifetime = seconds{5}, .files_max = 2}};
        cache.keep("a", file_of(1), now, cache.epoch());
        cache.keep("b", file_of(1), now, cache.epoch());
        const auto newer = file_of(2);
        cache.keep("a", newer, now + seconds{4}, cache.epoch());
        CHECK(trusted(cache, "a", now + seconds{8}) == newer);
        CHECK(trusted(cache, "b", now + seconds{4}) != nullptr);
    }

    TEST_CASE("the oldest go where a limit wants it, and who holds one may use it on") {
        FileCache few{{.lifetime = seconds{5}, .files_max = 2}};
        const auto oldest = file_of(1);
        few.keep("a", oldest, now, few.epoch());
        few.keep("b", file_of(1), now, few.epoch());
        few.keep("c", file_of(1), now, few.epoch());
        CHECK(trusted(few, "a", now) == nullptr);
        CHECK(trusted(few, "b", now) != nullptr);
        CHECK(trusted(few, "c", now) != nullptr);
        CHECK(oldest->contents == "x");
        CHECK(oldest.use_count() == 1);

        FileCache small{{.lifetime = seconds{5}, .bytes_max = 1000}};
        small.keep("a", file_of(400), now, small.epoch());
        small.keep("b", file_of(400), now, small.epoch());
        small.keep("c", file_of(400), now, small.epoch());
        CHECK(trusted(small, "a", now) == nullptr);
        CHECK(trusted(small, "b", now) != nullptr);
        small.keep("huge", file_of(1001), now, small.epoch());
        CHECK(trusted(small, "huge", now) == nullptr);
        CHECK(trusted(small, "b", now) != nullptr);
        small.keep("whole", file_of(995), now, small.epoch());
        CHECK(trusted(small, "whole", now) != nullptr);
        CHECK(trusted(small, "c", now) == nullptr);
        small.clear();
        CHECK(trusted(small, "whole", now) == nullptr);
        small.keep("whole", file_of(995), now, small.epoch());
        CHECK(trusted(small, "whole", now) != nullptr);
    }

    TEST_CASE("after its time, or without any, a file is there but must be looked at") {
        FileCache cache{{.lifetime = seconds{5}}};
        const auto file = file_of(3);
        cache.keep("a", file, now, cache.epoch());
        CHECK(cache.find("a", now + seconds{5}).file == file);
        CHECK_FALSE(cache.find("a", now + seconds{5}).trusted);
        cache.renew("a", now + seconds{6});
        CHECK(trusted(cache, "a", now + seconds{10}) == file);

        FileCache timeless{FileCache::Limits::modest()};
        timeless.keep("a", file, now, timeless.epoch());
        timeless.renew("a", now);
        CHECK(timeless.find("a", now).file == file);
        CHECK_FALSE(timeless.find("a", now).trusted);
        CHECK_FALSE(timeless.keeps_descriptors());
    }

    TEST_CASE("a file that was opened before the cache was cleared isn't kept") {
        FileCache cache{{.lifetime = seconds{5}}};
        const auto before = cache.epoch();
        cache.clear();
        cache.keep("a", file_of(3), now, before);
        CHECK(cache.find("a", now).file == nullptr);
        cache.keep("a", file_of(3), now, cache.epoch());
        CHECK(cache.find("a", now).file != nullptr);
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
                    const auto found = cache.find(path, now).file;
                    if (found && found->contents.size() != size) ++wrong;
                    if (!found) cache.keep(path, file_of(size), now, cache.epoch());
                }
            });
        for (std::thread& thread : threads)
            thread.join();
        CHECK(wrong == 0);
    }
}
