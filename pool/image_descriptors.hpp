/// The descriptors of the keeper's image: those that no master has opened.
#pragma once

#include <vector>

namespace bullpen {

/// Made first of all that opens descriptors. Keeper and master have one table: what a master has opened its
/// successor finds by this list.
class ImageDescriptors {
public:
    /// What is open now is the user's.
    ImageDescriptors();

    /// Descriptors that were open at construction, and those of handlers: the user's, which workers keep.
    [[nodiscard]] const std::vector<int>& users() const noexcept { return users_; }
    /// One of them isn't the user's.
    void disown(int fd) noexcept { std::erase(users_, fd); }

    /// Before the first master: what is open now belongs to the image.
    void note_all();

    /// It is closed, and the number may be another's.
    void forget(int fd) noexcept { std::erase(all_, fd); }

    [[nodiscard]] bool has(int fd) const noexcept;

    /// Closes what doesn't belong to the image.
    void close_others() const noexcept;

    /// For the keeper, which changes the image between two masters: what is opened and closed meanwhile.
    class Change {
    public:
        explicit Change(ImageDescriptors& image);

        /// What a master has opened for the image.
        void take(int fd) { taken_.push_back(fd); }

        /// What was opened since the construction is for the workers.
        void note_handlers();

        /// Without this nothing has changed.
        void commit();

    private:
        ImageDescriptors& image_;
        std::vector<int> before_;
        std::vector<int> with_handlers_;
        std::vector<int> taken_;
    };

private:
    std::vector<int> users_;
    std::vector<int> all_;
};

}  // namespace bullpen
