# What find_package(cae-cpp CONFIG) reads: the C library first, then the headers on top of it. Without the
# library there is no cae-cpp, which is for find_package to say, as its caller asked for it or not.
include(${CMAKE_CURRENT_LIST_DIR}/cae-library.cmake)
if(TARGET cae::cae)
  include(${CMAKE_CURRENT_LIST_DIR}/cae-cpp-targets.cmake)
else()
  set(cae-cpp_FOUND FALSE)
endif()
