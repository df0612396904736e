/// When requests are due in an open loop, whatever becomes of those before.
#pragma once

#include <cstdint>
#include <random>

namespace bullpen {

enum class Arrivals {
    even,     ///< At equal distances.
    poisson,  ///< At random, as from many clients that know nothing of each other. The same for each seed.
};

class Schedule {
public:
    /// `rate` a second, above 0. The first is due at `begin_ns`.
    Schedule(double rate, Arrivals arrivals, std::uint64_t begin_ns, std::uint64_t seed = 1) noexcept
        : rate_{rate}, arrivals_{arrivals}, begin_ns_{begin_ns}, random_{seed} {}

    [[nodiscard]] std::uint64_t due_ns() const noexcept { return begin_ns_ + offset_ns_; }
    [[nodiscard]] long number() const noexcept { return number_; }  ///< Of the request that is due then.
    void advance() noexcept;

private:
    double rate_;
    Arrivals arrivals_;
    std::uint64_t begin_ns_;
    std::uint64_t offset_ns_ = 0;
    double elapsed_ns_ = 0;  ///< Poisson's offset, unrounded.
    long number_ = 0;
    std::mt19937_64 random_;
};

}  // namespace bullpen
