import { writeDocumentationTests } from './documentation.js'

writeDocumentationTests()
