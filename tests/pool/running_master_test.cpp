#include "tests/pool/running_master.hpp"

#include <doctest/doctest.h>

using namespace bullpen;

namespace {

/// Also the end of a zombie that nobody has buried yet.
bool has_ended(pid_t pid) {
    std::ifstream stat{"/proc/" + std::to_string(pid) + "/stat"};
    std::string text;
    return !std::getline(stat, text) || text.find(") Z ") != std::string::npos;
}

}  // namespace

TEST_SUITE("pool: a master for tests") {
    TEST_CASE("a test that is killed takes its master along") {
        int ends[2];
        REQUIRE(::pipe(ends) == 0);
        const UniqueFd reading{ends[0]};
        UniqueFd writing{ends[1]};
        const auto test = spawn_child([&] {
            const RunningMaster master{{pool_of(1, echo)}};
            const pid_t pid = master.pid();
            (void)!::write(writing.get(), &pid, sizeof pid);
            ::pause();
            return 0;
        });
        writing.reset();
        pid_t master = 0;
        REQUIRE(::read(reading.get(), &master, sizeof master) == sizeof master);
        CHECK_FALSE(has_ended(master));
        ::kill(*test, SIGKILL);
        ::waitpid(*test, nullptr, 0);
        CHECK(eventually([&] { return has_ended(master); }));
    }
}
