import type { createHttpApp } from '@strongroom/platform'

export type HttpApp = ReturnType<typeof createHttpApp>
