/**
 * Whom the control plane calls another service for, so that the service's log names who asked. It gives no right: what may be
 * done is what the caller's own token may do. Taken from the control plane's principal alone.
 */
export interface AskedBy {
  objectId: string
  appId: string
}

/** Request header: `{objectId} {appId}`. Without it the control plane acts on its own. */
export const onBehalfOfHeader = 'x-strongroom-asked-by'

/** Claim of the same form in a token that the control plane has from the identity service to act as a managed identity. */
export const onBehalfOfClaim = 'x-strongroom-asked-by'

const form = /^([A-Za-z0-9._-]{1,64}) ([A-Za-z0-9._-]{1,64})$/

export const onBehalfOfText = ({ objectId, appId }: AskedBy): string => `${objectId} ${appId}`

/** Undefined if the text is malformed. */
export function parseAskedBy(text: unknown): AskedBy | undefined {
  const [, objectId, appId] = (typeof text === 'string' && form.exec(text)) || []
  return objectId === undefined || appId === undefined ? undefined : { objectId, appId }
}
