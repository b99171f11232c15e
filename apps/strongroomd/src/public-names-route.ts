import { publicNamesRequest, type PublicNamesState } from '@strongroom/contract/wires'
import { read, type PublicNames } from '@strongroom/platform'

/** POST /public-names of the owner's socket. */
export function publicNamesRoute(publicNames: PublicNames): (body: unknown) => Promise<PublicNamesState> {
  return async (body) => {
    const { action } = read(publicNamesRequest, body, { code: 'InvalidRequestContent', subject: 'The request' })
    if (action === 'show') return publicNames.state()
    return action === 'open' ? await publicNames.open() : await publicNames.close()
  }
}
