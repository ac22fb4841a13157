# Kernel templates are compiled once per ISA level; each object exports tables of that level. A template gets IG_ISA, the
# level's name, and IG_SIMD_HEADER, the room's simd_<isa>.h.

if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
    set(INGOT_ISAS scalar avx2 avx512)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
    set(INGOT_ISAS scalar neon)
else()
    set(INGOT_ISAS scalar)
endif()

# No contraction: kernels ask for fused multiply-adds by name, so that a sum has the same bits wherever it is inlined. The
# scalar level is a reference: quick to compile, not to run.
set(INGOT_ISA_FLAGS_scalar -O2 -fno-tree-vectorize -ffp-contract=off)
set(INGOT_ISA_FLAGS_avx2 -mavx2 -mfma -mf16c -ffp-contract=off)
set(INGOT_ISA_FLAGS_avx512 -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni -mavx512bf16 -mavx2 -mfma -mf16c
    -ffp-contract=off)
set(INGOT_ISA_FLAGS_neon -march=armv8.2-a+dotprod+fp16 -ffp-contract=off)

# ig_isa_objects(ROOM TEMPLATES…): the templates of src/ROOM, once per ISA level of this machine family, as part of the library.
function(ig_isa_objects room)
    string(REPLACE "/" "_" prefix ${room})
    foreach(isa ${INGOT_ISAS})
        set(target ig_${prefix}_${isa})
        add_library(${target} OBJECT ${ARGN})
        target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include)
        target_compile_options(${target} PRIVATE ${INGOT_ISA_FLAGS_${isa}})
        if(INGOT_SANITIZE AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
            # Unrolled kernels under a sanitizer compile in nine minutes with variable tracking, in two without.
            target_compile_options(${target} PRIVATE -g1 -fno-var-tracking)
        endif()
        if(INGOT_SANITIZE MATCHES "undefined")
            # The checks of every inlined verb would take minutes to compile; address and thread checks stay.
            target_compile_options(${target} PRIVATE -fno-sanitize=undefined)
        endif()
        target_compile_definitions(${target} PRIVATE IG_ISA=${isa} "IG_SIMD_HEADER=\"${room}/simd_${isa}.h\"")
        set_property(GLOBAL APPEND PROPERTY INGOT_OBJECTS $<TARGET_OBJECTS:${target}>)
    endforeach()
endfunction()
