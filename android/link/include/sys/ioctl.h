#pragma once
int ioctl(int, int, ...);
