import { ServiceError, type PublicNames, type PublicNamesState } from '@strongroom/platform'

/** POST /public-names of the owner's socket: {"action": "open" | "show" | "close"} → PublicNamesState. */
export function publicNamesRoute(
  publicNames: PublicNames,
): (body: Record<string, unknown>) => Promise<PublicNamesState> {
  return async ({ action }) => {
    if (action === 'open') return await publicNames.open()
    if (action === 'close') return await publicNames.close()
    if (action === 'show') return publicNames.state()
    throw new ServiceError({
      code: 'InvalidRequestContent',
      message: 'The request does not say what is wanted.',
      expected: 'the action open, show or close',
      found: String(action).slice(0, 40),
    })
  }
}
