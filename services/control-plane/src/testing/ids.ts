/** The tenant, the subscription and the owner of every test. */
export const subscriptionId = '0f2a9f3e-0000-4000-8000-00000000aaaa'
export const tenantId = '0f2a9f3e-0000-4000-8000-00000000bbbb'
export const ownerId = '0f2a9f3e-0000-4000-8000-00000000cccc'

/** A body or an answer, of which tests set and read members of any form. */
// oxlint-disable-next-line typescript/no-explicit-any -- tests set members of any form
export type Loose = any
