import { ServiceError } from '@strongroom/platform'

/** For bytes of a joined host that have the right form on the wire, but are not what they should be. */
export const unreadable = (o: { target: string; expected: string; found: string; cause?: unknown }): ServiceError =>
  new ServiceError({
    code: 'InvalidRequestContent',
    message: `What the host sent is malformed: ${o.target}.`,
    remedy: 'Run the same version of Strongroom on the host as on the server.',
    ...o,
    found: o.found.slice(0, 200),
  })
