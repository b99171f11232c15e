/** In the state directory. */
export const authorityFile = 'ca.pem'
/** In the state directory: the first thing that an installation seals. */
export const sealedAuthorityFile = 'ca.key.sealed'
