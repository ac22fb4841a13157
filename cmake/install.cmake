# What `cmake --install` puts where: program, shared library, headers, pkg-config file, CMake package, man pages, completion.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# Man pages and completion are written by the program itself, from its option table.
function(ig_docs)
    set(docs ${PROJECT_BINARY_DIR}/docs)
    add_custom_command(OUTPUT ${docs}/stamp
        COMMAND ${PROJECT_SOURCE_DIR}/scripts/docs $<TARGET_FILE:ingot_cli> ${docs}
        DEPENDS ingot_cli ${PROJECT_SOURCE_DIR}/scripts/docs
        COMMENT "man pages and completion")
    add_custom_target(docs ALL DEPENDS ${docs}/stamp)
    install(DIRECTORY ${docs}/man1 DESTINATION ${CMAKE_INSTALL_MANDIR})
    install(FILES ${docs}/completions/ingot DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
endfunction()

if(TARGET ingot_cli)
    install(TARGETS ingot_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
    # A sanitizer's program may complain on standard error: its pages are not made.
    if(NOT INGOT_SANITIZE)
        ig_docs()
    endif()
endif()
if(TARGET ingot_shared)
    # Requirements of the installed target: its headers, and no path of the build.
    set_target_properties(ingot_shared PROPERTIES EXPORT_NAME ingot INTERFACE_INCLUDE_DIRECTORIES
        "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>;$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")
    install(TARGETS ingot_shared EXPORT ingot LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
    install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/ingot DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

    set(package ${CMAKE_INSTALL_LIBDIR}/cmake/Ingot)
    install(EXPORT ingot NAMESPACE Ingot:: FILE IngotTargets.cmake DESTINATION ${package})
    configure_package_config_file(cmake/IngotConfig.cmake.in ${PROJECT_BINARY_DIR}/IngotConfig.cmake
        INSTALL_DESTINATION ${package})
    write_basic_package_version_file(${PROJECT_BINARY_DIR}/IngotConfigVersion.cmake COMPATIBILITY SameMinorVersion)
    install(FILES ${PROJECT_BINARY_DIR}/IngotConfig.cmake ${PROJECT_BINARY_DIR}/IngotConfigVersion.cmake
        DESTINATION ${package})

    # The prefix is worked out from where the file lies, so that an installed tree may be moved.
    file(RELATIVE_PATH PC_TO_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
    get_property(modules GLOBAL PROPERTY INGOT_PKG_MODULES)
    list(REMOVE_DUPLICATES modules)
    list(JOIN modules " " PC_REQUIRES_PRIVATE)
    configure_file(cmake/ingot.pc.in ${PROJECT_BINARY_DIR}/ingot.pc @ONLY)
    install(FILES ${PROJECT_BINARY_DIR}/ingot.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endif()
