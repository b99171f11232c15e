import { onBehalfOfHeader, onBehalfOfText, type AskedBy } from '@strongroom/contract'
import type { ArmRequest } from './request.ts'

/** Named in the key service's log: undefined without a caller, so that no earlier request is named instead. */
export type OnBehalfOf = AskedBy | undefined

export const onBehalfOf = ({ caller: { objectId, appId } }: Pick<ArmRequest, 'caller'>): AskedBy => ({
  objectId,
  appId,
})

/** For a request to the key service with the control plane's own token. */
export const onBehalfOfHeaders = (asker: OnBehalfOf): Record<string, string> =>
  asker === undefined ? {} : { [onBehalfOfHeader]: onBehalfOfText(asker) }
