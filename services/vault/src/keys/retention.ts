/** Days that a deleted key can be recovered, unless it is purged. */
export const recoverableDays = 90
