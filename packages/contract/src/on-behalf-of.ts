/**
 * The control plane's caller, so that another service's log names it. It grants no rights: those are the token's own.
 * Accepted only from the control plane's principal.
 */
export interface AskedBy {
  objectId: string
  appId: string
}

/** Request header: `{objectId} {appId}`. Without it the control plane acts on its own. */
export const onBehalfOfHeader = 'x-strongroom-asked-by'

/** The same in a claim of a token that the control plane gets from the identity service to act as a managed identity. */
export const onBehalfOfClaim = 'x-strongroom-asked-by'

const form = /^([A-Za-z0-9._-]{1,64}) ([A-Za-z0-9._-]{1,64})$/

export const onBehalfOfText = ({ objectId, appId }: AskedBy): string => `${objectId} ${appId}`

/** Undefined if the text is malformed. */
export function parseAskedBy(text: unknown): AskedBy | undefined {
  const [, objectId, appId] = (typeof text === 'string' && form.exec(text)) || []
  return objectId === undefined || appId === undefined ? undefined : { objectId, appId }
}
