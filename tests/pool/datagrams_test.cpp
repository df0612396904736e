#include "pool/datagrams.hpp"

#include <doctest/doctest.h>

#include "core/datagram_batch.hpp"
#include "servers/models/models.hpp"

using namespace bullpen;

TEST_SUITE("pool: datagrams") {
    TEST_CASE("a worker takes as many at once as it serves in 100 µs, at least one") {
        CHECK(datagrams_at_once(0) == DatagramBatch::most);
        CHECK(datagrams_at_once(1'000) == DatagramBatch::most);
        CHECK(datagrams_at_once(10'000) == 10);
        CHECK(datagrams_at_once(60'000) == 1);
        CHECK(datagrams_at_once(1'000'000'000) == 1);
    }

    TEST_CASE("in a pool of datagrams the workers receive by themselves, whatever the model does else") {
        for (const Model& model : models()) {
            if (model.work_datagrams == nullptr) continue;
            CAPTURE(model.name);
            const Model design = for_datagrams(model);
            CHECK(design.form == Form::datagram);
            CHECK(!design.master_accepts());
            CHECK((design.work == model.work_datagrams));
            CHECK(design.housing == model.housing);
            CHECK(design.forks_for_each() == model.forks_for_each());
            CHECK(design.receives_one == (model.delivery == Delivery::fork));
            CHECK(design.own_listeners == model.own_listeners);
        }
    }
}
