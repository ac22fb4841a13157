/* limits.h: every limit on what comes from outside, with the reason for its size. */
#ifndef IG_BASE_LIMITS_H
#define IG_BASE_LIMITS_H

/* Model files. Counts are checked against these and against the bytes that are left before
 * anything is allocated. */
#define IG_GGUF_KEYS_MAX 65536u      /* real files have below 100 keys */
#define IG_GGUF_TENSORS_MAX 1048576u /* the largest known model has about 20,000 */
#define IG_GGUF_SPLITS_MAX 4096u     /* parts of a split file */
#define IG_GGUF_ARRAY_MAX (1u << 27) /* elements; vocabularies have below 2^20 */
#define IG_GGUF_STRING_BYTES_MAX (1u << 30)
#define IG_GGUF_KEY_BYTES_MAX 65535u        /* by the format's definition */
#define IG_GGUF_HEADER_BYTES_MAX (1u << 30) /* of a file that we write */
#define IG_GGUF_NAME_BYTES_MAX 256u         /* tensor names; the peer allows 63 */
#define IG_DIM_MAX (1ull << 40)             /* one tensor dimension, as read from a file */
#define IG_FILE_BYTES_MAX (1ull << 46)      /* 64 TiB */
#define IG_CONFIG_BYTES_MAX (256u << 20)    /* JSON and other text files that are read whole */
/* Steps to find a name; honest names need below 100, forged ones could need all. */
#define IG_NAME_PROBES_MAX 1024u

/* Models. */
#define IG_LAYERS_MAX 1024u
#define IG_EXPERTS_MAX 4096u
#define IG_HEADS_MAX 4096u
#define IG_WIDTH_MAX (1u << 24)       /* columns of any value */
#define IG_VOCAB_MAX (1u << 24)       /* tokens */
#define IG_CONTEXT_MAX (1u << 27)     /* tokens of one sequence */
#define IG_PROGRAM_OPS_MAX (1u << 18) /* ops, values, weights of one program, each */

/* Machines. */
#define IG_THREADS_MAX 1024u /* workers of one cpu device */

/* Text. */
#define IG_TEXT_BYTES_MAX (1u << 28)     /* one text to tokenise */
#define IG_TOKEN_BYTES_MAX (1u << 16)    /* one vocabulary entry; known ones have a few hundred */
#define IG_VOCAB_BYTES_MAX (1u << 30)    /* all vocabulary entries together */
#define IG_PATTERN_BYTES_MAX (64u << 10) /* source of one pattern; the longest known has 2 KB */
#define IG_JSON_DEPTH_MAX 256u
#define IG_TEMPLATE_BYTES_MAX (1u << 20) /* source of a template; the longest known has 30 KB */
/* Text that from_json reads in one rendering; the parser takes up to 100 bytes for one of them. */
#define IG_TEMPLATE_JSON_BYTES_MAX (1u << 20)
#define IG_TEMPLATE_OUTPUT_MAX (1u << 26)
#define IG_TEMPLATE_STEPS_MAX 50000000u   /* evaluator steps of one rendering */
#define IG_TEMPLATE_DEPTH_MAX 200u        /* nested statements, expressions, values of a source */
#define IG_TEMPLATE_STACK_MAX 1000u       /* nesting while rendering: a macro call is about ten */
#define IG_TEMPLATE_MEMORY_MAX (1u << 28) /* bytes of the tree, and of one rendering's values */

/* Executor. */
#define IG_EXEC_REQUESTS_MAX (1u << 20) /* waiting requests; places of an event queue */
#define IG_EXEC_SEQS_MAX 4096u          /* sequences of a step */
#define IG_EXEC_WORDS_MAX 1024u         /* stop words of a request, bad words likewise */
#define IG_EXEC_END_IDS_MAX 1024u
#define IG_EXEC_TOP_MAX 1024u                 /* log-probabilities beside each token's own */
#define IG_EXEC_REQUEST_BYTES_MAX (64u << 20) /* lists of a request: words, end ids */
/* Of a request: context logits, generation logits of all its sequences, candidates of its prompt,
 * each. */
#define IG_EXEC_LOGITS_BYTES_MAX (1ull << 31)
/* Reserved for results of all requests together until they are closed: four of the largest. */
#define IG_EXEC_RESULTS_BYTES_MAX (1ull << 33)

/* Sampling. */
#define IG_SAMPLE_BIAS_MAX (1u << 20)  /* entries of one logit bias list */
#define IG_DRY_BREAKERS_MAX (1u << 20) /* token runs of all breakers; a newline gives thousands */
#define IG_DRY_BREAKER_TOKENS_MAX 21u  /* a head and the peer's 20 tail tokens: linear matching */

#endif
