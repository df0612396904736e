#include <boost/json/src.hpp>  // Boost.JSON's whole implementation: in this file only.
