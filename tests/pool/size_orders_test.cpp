#include "pool/size_orders.hpp"

#include <doctest/doctest.h>

using namespace bullpen;

namespace {

constexpr Model handing_off{.name = "test", .summary = "", .delivery = Delivery::handoff};

/// A pool in its second master, which shares the memory of the first one and begins with its options.
struct PoolOfFour {
    PoolOptions options;
    PoolShape shape;
    SizeOrders orders{options, shape};

    explicit PoolOfFour(SizingPolicy policy, const Model& model = handing_off) {
        options.design = model;
        options.workers_most = 4;
        options.limits = {.policy = policy, .workers_max = 3, .spare_min = 1, .spare_max = 2};
        shape = shape_of(options);
    }
    /// As if the master had died: what it had in its own memory is gone.
    void die() {
        options.limits.workers_max = 3;
        options.limits.spare_min = 1;
        options.limits.spare_max = 2;
        orders.adopt();
    }
};

}  // namespace

TEST_SUITE("pool: orders to change a pool's size") {
    TEST_CASE("a pool of fixed size gets one worker more or less, as far as there is room") {
        PoolOfFour pool{SizingPolicy::fixed};
        CHECK(pool.orders.carry_out(1, 0).message == "pool default: 4 workers");
        const ControlAnswer refused = pool.orders.carry_out(1, 1);
        CHECK(refused.exit_status == 2);
        CHECK(refused.message == "pool default: there is no room for one worker more: workers-max is 4");
        CHECK(pool.orders.carry_out(-1, 2).exit_status == 0);
        CHECK(pool.options.limits.workers_max == 3);
    }

    TEST_CASE("another one gets other limits of its spare workers") {
        PoolOfFour pool{SizingPolicy::spare};
        CHECK(pool.orders.carry_out(1, 0).message == "pool default: from 2 to 3 spare workers");
        CHECK(pool.options.limits.workers_max == 3);
        CHECK(pool.orders.carry_out(1, 1).exit_status == 2);
    }

    TEST_CASE("a process of several workers comes or goes as a whole") {
        PoolOfFour pool{SizingPolicy::fixed};
        pool.options.threads = 2;
        pool.options.workers_most = 6;
        pool.shape = shape_of(pool.options);
        REQUIRE(pool.orders.carry_out(1, 0).exit_status == 0);
        CHECK(pool.options.limits.workers_max == 5);
    }

    TEST_CASE("an order that a dead master had carried out, or refused, isn't carried out again") {
        PoolOfFour pool{SizingPolicy::fixed};
        (void)pool.orders.carry_out(1, 0);
        (void)pool.orders.carry_out(1, 1);
        pool.die();
        CHECK(pool.options.limits.workers_max == 4);
        for (const std::uint64_t heard_again : {0U, 1U})
            CHECK(pool.orders.carry_out(1, heard_again).message == "pool default: 4 workers");
        CHECK(pool.orders.carry_out(-1, 2).message == "pool default: 3 workers");
        pool.die();
        CHECK(pool.options.limits.workers_max == 3);
    }

    TEST_CASE("a new configuration has its own limits") {
        PoolOfFour pool{SizingPolicy::fixed};
        (void)pool.orders.carry_out(-1, 0);
        pool.orders.forget_changes();
        pool.die();
        CHECK(pool.options.limits.workers_max == 3);
        CHECK(pool.orders.carry_out(-1, 0).message == "pool default: 3 workers");
        CHECK(pool.orders.carry_out(-1, 1).message == "pool default: 2 workers");
    }

    TEST_CASE("a model without a number of workers refuses") {
        for (const Model& model :
             {Model{.name = "test", .summary = "", .delivery = Delivery::fork},
              Model{.name = "test", .summary = "", .delivery = Delivery::handoff, .workers_fixed = 1}}) {
            PoolOfFour pool{SizingPolicy::fixed, model};
            const ControlAnswer answer = pool.orders.carry_out(1, 0);
            CHECK(answer.exit_status == 2);
            CHECK(answer.message ==
                  "pool default: model test has no number of workers that could be changed");
        }
    }
}
