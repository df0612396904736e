#include "pool/image_descriptors.hpp"

#include <doctest/doctest.h>
#include <sys/eventfd.h>

#include <algorithm>

#include <bullpen/unique_fd.hpp>

using namespace bullpen;

namespace {

UniqueFd some_descriptor() {
    UniqueFd fd{::eventfd(0, EFD_CLOEXEC)};
    REQUIRE(fd);
    return fd;
}

bool is_users(const ImageDescriptors& image, const UniqueFd& fd) {
    return std::count(image.users().begin(), image.users().end(), fd.get()) == 1;
}

}  // namespace

TEST_SUITE("pool: the descriptors of the keeper's image") {
    TEST_CASE("what was open before the server is the user's; what was open before a master is the image's") {
        const UniqueFd users = some_descriptor();
        const UniqueFd channel = some_descriptor();
        ImageDescriptors image;
        image.disown(channel.get());
        const UniqueFd listener = some_descriptor();
        image.note_all();
        const UniqueFd masters = some_descriptor();
        CHECK(is_users(image, users));
        CHECK_FALSE(is_users(image, channel));
        CHECK_FALSE(is_users(image, listener));
        for (const UniqueFd* const one : {&users, &channel, &listener})
            CHECK(image.has(one->get()));
        CHECK_FALSE(image.has(masters.get()));
        image.forget(listener.get());
        CHECK_FALSE(image.has(listener.get()));
    }

    TEST_CASE("a change makes handlers' descriptors the user's, and all that it opens the image's") {
        ImageDescriptors image;
        image.note_all();
        const UniqueFd masters = some_descriptor();
        const UniqueFd taken = some_descriptor();
        ImageDescriptors::Change change{image};
        change.take(taken.get());
        const UniqueFd handlers = some_descriptor();
        change.note_handlers();
        const UniqueFd pools = some_descriptor();
        change.commit();
        CHECK(is_users(image, handlers));
        for (const UniqueFd* const one : {&masters, &taken, &pools})
            CHECK_FALSE(is_users(image, *one));
        for (const UniqueFd* const one : {&taken, &handlers, &pools})
            CHECK(image.has(one->get()));
        CHECK_FALSE(image.has(masters.get()));
    }

    TEST_CASE("what has been closed is nobody's any more") {
        UniqueFd users = some_descriptor();
        ImageDescriptors image;
        UniqueFd listener = some_descriptor();
        image.note_all();
        const int of_user = users.get();
        const int of_image = listener.get();
        ImageDescriptors::Change change{image};
        users.reset();
        listener.reset();
        change.commit();
        for (const int fd : {of_user, of_image}) {
            CHECK_FALSE(image.has(fd));
            CHECK(std::count(image.users().begin(), image.users().end(), fd) == 0);
        }
    }

    TEST_CASE("a change that is not committed is none") {
        ImageDescriptors image;
        image.note_all();
        const std::size_t users = image.users().size();
        const UniqueFd masters = some_descriptor();
        ImageDescriptors::Change change{image};
        change.take(masters.get());
        const UniqueFd handlers = some_descriptor();
        change.note_handlers();
        CHECK(image.users().size() == users);
        CHECK_FALSE(image.has(masters.get()));
        CHECK_FALSE(image.has(handlers.get()));
    }
}
