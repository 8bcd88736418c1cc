// See ../transport/device.h.
#pragma once
