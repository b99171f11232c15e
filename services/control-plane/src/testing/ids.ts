/** Tenant, subscription and owner in every test. */
export const subscriptionId = '0f2a9f3e-0000-4000-8000-00000000aaaa'
export const tenantId = '0f2a9f3e-0000-4000-8000-00000000bbbb'
export const ownerId = '0f2a9f3e-0000-4000-8000-00000000cccc'

/** A body or an answer whose members tests set and read freely. */
// oxlint-disable-next-line typescript/no-explicit-any -- tests set members of any form
export type Loose = any
